-- Note that a replica is there, and return all that spoke lately. KEYS: replicas.
-- ARGV: ms after which one is gone, its name ("" for nobody), what it follows.
-- A field is a time in 13 digits, by the server's clock, and what is followed.
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%013d', now_ms) .. ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return {}
end
local live = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if tonumber(string.sub(all[i + 1], 1, 13)) > now_ms - tonumber(ARGV[1]) then
    live[#live + 1] = all[i]
    live[#live + 1] = string.sub(all[i + 1], 14)
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return live
