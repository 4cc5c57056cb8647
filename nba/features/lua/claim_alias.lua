-- Announce an alias, unless another of the same former id is announced and fresh.
-- KEYS: claims. ARGV: former id, claim, now ms, ms a claim holds.
-- A claim is its time in 13 digits and the target's id. Returns 1 announced, 0 not.
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there and tonumber(string.sub(there, 1, 13)) > tonumber(ARGV[3]) - tonumber(ARGV[4]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
