-- Take an intention back, where nothing was absorbed. KEYS: aliases of the target. ARGV: former id.
local state = redis.call('HGET', KEYS[1], ARGV[1])
if state and string.sub(state, 1, 1) == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1
