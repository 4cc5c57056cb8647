-- Say that a merge is done, and drop what was set aside for it.
-- KEYS: profile, frozen profile, frozen history. ARGV: the mark before, the mark after.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2])
  redis.call('DEL', KEYS[2], KEYS[3])
end
return 1
