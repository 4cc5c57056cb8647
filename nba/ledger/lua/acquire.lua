-- Take a share of a budget, if there is enough left; once for each grant.
-- KEYS: account, open. ARGV: grant, units, units allowed by now, limit, ttl ms (0 for none).
-- The first share of an account need not wait for its pace.
-- Returns 1 granted or 0 refused, units used, ms of the store's clock.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local used = tonumber(redis.call('HGET', KEYS[1], 's') or '0')
local field = 'g:' .. ARGV[1]
if redis.call('HEXISTS', KEYS[1], field) == 1 then
  return {1, used, now}
end
local after = used + tonumber(ARGV[2])
if after > tonumber(ARGV[4]) or (used > 0 and after > tonumber(ARGV[3])) then
  return {0, used, now}
end
redis.call('HINCRBY', KEYS[1], 's', ARGV[2])
redis.call('HSET', KEYS[1], field, ARGV[2])
redis.call('ZADD', KEYS[2], now, ARGV[1])
if tonumber(ARGV[5]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
return {1, after, now}
