-- Write a partition's ledger anew: the server keeps the bytes of an entry removed from the middle.
-- KEYS: ledger. ARGV: most entries to do it with.
-- Returns 1 done, 0 there are too many.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 1
end
if redis.call('XLEN', KEYS[1]) > tonumber(ARGV[1]) then
  return 0
end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
local last
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then
    last = info[i + 1]
  end
end
local entries = redis.call('XRANGE', KEYS[1], '-', '+')
redis.call('DEL', KEYS[1])
for _, entry in ipairs(entries) do
  redis.call('XADD', KEYS[1], entry[1], unpack(entry[2]))
end
if #entries == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[1], 'empty', last, 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'empty')
end
redis.call('XSETID', KEYS[1], last)
return 1
