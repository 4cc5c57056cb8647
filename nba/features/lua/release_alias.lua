-- Take an announcement back, where it is still the same.
-- KEYS: claims. ARGV: former id, claim.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1
