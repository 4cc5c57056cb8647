-- Note what came of contacts, and what happened, in a customer's history; each once.
-- KEYS: history, profile
-- ARGV: history ttl ms, most entries kept, the mark of a former id, then entries of 24 bytes.
-- An outcome is noted where its contact is there; an event, which has no action, in any case.
-- Returns how many were noted, or the mark where the customer goes on under another id.
local mark = redis.call('GETRANGE', KEYS[2], 0, #ARGV[3] - 1)
if mark == ARGV[3] then
  return redis.call('GET', KEYS[2])
end
local size = 24
local none = string.rep('\0', 4)
local history = redis.call('GET', KEYS[1]) or string.rep('\0', 8)
local body = string.sub(history, 9)
local noted = 0
for i = 4, #ARGV do
  local entry = ARGV[i]
  local what = string.sub(entry, 13, 16)
  local tag = string.sub(entry, 17, 20)
  local known = false
  local contact = string.sub(entry, 5, 8) == none
  for at = 1, #body, size do
    if string.sub(body, at + 16, at + 19) == tag then
      local is = string.sub(body, at + 12, at + 15)
      known = known or is == what
      contact = contact or is == none
    end
  end
  if contact and not known then
    body = body .. entry
    noted = noted + 1
  end
end
if noted == 0 then
  return 0
end
local version, since = struct.unpack('<I4I4', history)
local surplus = #body - tonumber(ARGV[2]) * size
if surplus > 0 then
  local last = struct.unpack('<I4', string.sub(body, surplus - size + 1, surplus))
  since = math.max(since, last + 1)
  body = string.sub(body, surplus + 1)
end
version = (version + 1) % 4294967296
redis.call('SET', KEYS[1], struct.pack('<I4I4', version, since) .. body, 'PX', ARGV[1])
return noted
