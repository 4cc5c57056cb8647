-- Keep a grant until a time, now that its decision is recorded.
-- KEYS: account, open, held. ARGV: grant, ms until when.
-- Returns 1 held, 0 there is no such grant (any more).
if redis.call('HEXISTS', KEYS[1], 'g:' .. ARGV[1]) == 0 then
  return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left > 0 then
  redis.call('PEXPIRE', KEYS[3], left)
end
return 1
