-- Set profile and history of a former id aside, and a mark in their place.
-- KEYS: profile, history, frozen profile, frozen history.
-- ARGV: the mark, what every mark begins with.
-- Returns the mark that was there, or nothing.
local there = redis.call('GET', KEYS[1])
if there and string.sub(there, 1, string.len(ARGV[2])) == ARGV[2] then
  return there
end
if there then
  redis.call('RENAME', KEYS[1], KEYS[3])
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RENAME', KEYS[2], KEYS[4])
end
redis.call('SET', KEYS[1], ARGV[1])
return false
