-- Take or renew a right, or give it back. KEYS: the claim. ARGV: owner, ms it holds (0: give back).
-- Returns 1 it is the owner's (or nobody's), 0 it is another's.
local there = redis.call('GET', KEYS[1])
if there and there ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
