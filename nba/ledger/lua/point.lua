-- Point replicas at a plan, if the pointer is still the one that was read before.
-- KEYS: pointer
-- ARGV: the new pointer, [the one that was read; without it there was none]
-- Returns 1 set, 0 another was set meanwhile.
if redis.call('GET', KEYS[1]) ~= (ARGV[2] or false) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
