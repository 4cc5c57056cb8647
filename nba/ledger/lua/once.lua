-- Write one entry of a decision exactly once: an outcome, a resolution or a correction.
-- KEYS: outcomes hash, ledger, [pending]
-- ARGV: field, digest (16 bytes), type of entry, entry, ttl ms, [pending member]
-- Returns 1 written, 0 the same was there, 2 another was there under this name.
if KEYS[3] then
  redis.call('ZREM', KEYS[3], ARGV[6])
end
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there then
  if string.sub(there, 1, 16) == ARGV[2] then
    return 0
  end
  return 2
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('XADD', KEYS[2], '*', 't', ARGV[3], 'b', ARGV[4])
return 1
