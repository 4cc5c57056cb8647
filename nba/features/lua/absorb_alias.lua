-- Write a customer with a former id merged into it, exactly once.
-- KEYS: profile, history, aliases, ledger.
-- ARGV: former id, profile expected ("" = none), history version expected, profile ("" = as it was),
--       history ("" = as it was), history ttl ms, then pairs of letter and body for the ledger.
-- Returns 1 it is merged, 0 the customer changed since it was read, 2 nobody intends it any more.
local state = redis.call('HGET', KEYS[3], ARGV[1])
if not state then
  return 2
end
if string.sub(state, 1, 1) == '1' then
  return 1
end
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[2] then
  return 0
end
if redis.call('GETRANGE', KEYS[2], 0, 3) ~= ARGV[3] then
  return 0
end
if ARGV[4] ~= '' then
  redis.call('SET', KEYS[1], ARGV[4], 'KEEPTTL')
end
if ARGV[5] ~= '' then
  redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6])
end
redis.call('HSET', KEYS[3], ARGV[1], '1' .. string.sub(state, 2))
for i = 7, #ARGV, 2 do
  redis.call('XADD', KEYS[4], '*', 't', ARGV[i], 'b', ARGV[i + 1])
end
return 1
