-- Write one profile with its message ids and ledger entries, or change nothing.
-- KEYS: profile, ledger, seen today, seen on earlier days ...
-- ARGV: version bytes expected ("" = no profile), profile, seconds to remember message ids,
--       number of message ids, message ids ..., then pairs of letter and body of each
--       ledger entry.
-- Returns 1 written, 0 the profile changed or a message was applied since they were read.
if redis.call('GETRANGE', KEYS[1], 4, 7) ~= ARGV[1] then
  return 0
end
local count = tonumber(ARGV[4])
for day = 3, #KEYS do
  for i = 5, 4 + count do
    if redis.call('SISMEMBER', KEYS[day], ARGV[i]) == 1 then
      return 0
    end
  end
end
redis.call('SET', KEYS[1], ARGV[2])
for i = 5, 4 + count do
  redis.call('SADD', KEYS[3], ARGV[i])
end
if count > 0 then
  redis.call('EXPIRE', KEYS[3], ARGV[3])
end
for i = 5 + count, #ARGV, 2 do
  redis.call('XADD', KEYS[2], '*', 't', ARGV[i], 'b', ARGV[i + 1])
end
return 1
