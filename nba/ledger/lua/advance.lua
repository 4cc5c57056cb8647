-- Note how far a reader has come, and forget what all readers are past.
-- KEYS: ledger, progress (a hash). ARGV: reader, its position, all readers.
local function earlier(a, b)
  local am, as = string.match(a, '(%d+)-(%d+)')
  local bm, bs = string.match(b, '(%d+)-(%d+)')
  if am == bm then
    return tonumber(as) < tonumber(bs)
  end
  return tonumber(am) < tonumber(bm)
end
local before = redis.call('HGET', KEYS[2], ARGV[1])
if not before or earlier(before, ARGV[2]) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
local least
for i = 3, #ARGV do
  local at = redis.call('HGET', KEYS[2], ARGV[i])
  if not at then
    return 0
  end
  if not least or earlier(at, least) then
    least = at
  end
end
return redis.call('XTRIM', KEYS[1], 'MINID', least)
