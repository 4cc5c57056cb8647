-- End a grant, once: for good, or giving back what it took.
-- KEYS: account, open, held. ARGV: grant, 1 to give back.
-- Returns the units it had, 0 where there is no such grant (any more).
local field = 'g:' .. ARGV[1]
local units = redis.call('HGET', KEYS[1], field)
if not units then
  return 0
end
redis.call('HDEL', KEYS[1], field)
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if ARGV[2] == '1' then
  redis.call('HINCRBY', KEYS[1], 's', '-' .. units)
end
return tonumber(units)
