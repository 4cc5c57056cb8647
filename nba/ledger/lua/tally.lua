-- Add tallies of what lies between two positions of a partition's ledger, once.
-- KEYS: tallies. ARGV: position before, position after, then triples of name, draws, chances.
-- Returns 1 added, 0 what was counted last does not end at the position before.
if (redis.call('HGET', KEYS[1], 'position') or '0-0') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'position', ARGV[2])
for i = 3, #ARGV, 3 do
  redis.call('HINCRBY', KEYS[1], 'n:' .. ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', KEYS[1], 'p:' .. ARGV[i], ARGV[i + 2])
end
return 1
