-- Reserve and record one decision, or change nothing.
-- KEYS: history, profile, decision, ledger, pending, [request]
-- ARGV: history version, guard version, new history ("" = as it was), history ttl ms,
--       decision id, record, record ttl ms, deadline in ms of the server's clock ("" = none), then
--       pairs of horizon ms and choice member.
-- Returns 1 recorded, 0 the customer changed since it was read, 2 the request was answered, 3 the
-- deadline has passed.
if KEYS[6] and redis.call('EXISTS', KEYS[6]) == 1 then
  return 2
end
if redis.call('GETRANGE', KEYS[1], 0, 3) ~= ARGV[1] then
  return 0
end
if redis.call('GETRANGE', KEYS[2], 8, 11) ~= ARGV[2] then
  return 0
end
if ARGV[8] ~= '' then
  local time = redis.call('TIME')
  if time[1] * 1000 + math.floor(time[2] / 1000) > tonumber(ARGV[8]) then
    return 3
  end
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
redis.call('SET', KEYS[3], ARGV[6], 'PX', ARGV[7])
redis.call('XADD', KEYS[4], '*', 't', 'd', 'b', ARGV[5])
for i = 9, #ARGV, 2 do
  redis.call('ZADD', KEYS[5], ARGV[i], ARGV[i + 1])
end
if KEYS[6] then
  redis.call('SET', KEYS[6], ARGV[5], 'PX', ARGV[7])
end
return 1
