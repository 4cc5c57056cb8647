-- Note what is to be absorbed. KEYS: aliases of the target. ARGV: former id, its height, most.
-- Returns 1 noted, or noted before, 0 there are too many.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 1
end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], '0' .. ARGV[2])
return 1
