-- Write profiles of one partition with their messages and ledger entries; of each all, or nothing.
-- KEYS: ledger, seen today, seen on an earlier day, then the profiles.
-- ARGV: seconds to remember messages, ms until a profile is forgotten (0 = never), then for each profile: what it is expected to be ("" =
--       none), the new one, number of messages, messages ..., number of entries, then letter and
--       body of each entry.
-- Returns for each profile 1 written, 0 it changed or a message was applied since they were read.
local results = {}
local remembers = false
local at = 3
for i = 4, #KEYS do
  local ids = tonumber(ARGV[at + 2])
  local first_id, entries_at = at + 3, at + 3 + ids
  local entries = tonumber(ARGV[entries_at])
  local good = (redis.call('GET', KEYS[i]) or '') == ARGV[at]
  if good and ids == 1 then
    -- One message, as most often: it is added and looked for today in the same step.
    good = redis.call('SISMEMBER', KEYS[3], ARGV[first_id]) == 0
      and redis.call('SADD', KEYS[2], ARGV[first_id]) == 1
  elseif good and ids > 0 then
    for day = 2, 3 do
      local seen = redis.call('SMISMEMBER', KEYS[day], unpack(ARGV, first_id, entries_at - 1))
      for k = 1, ids do
        if seen[k] == 1 then
          good = false
        end
      end
    end
    if good then
      redis.call('SADD', KEYS[2], unpack(ARGV, first_id, entries_at - 1))
    end
  end
  if good then
    remembers = remembers or ids > 0
    if ARGV[2] == '0' then
      redis.call('SET', KEYS[i], ARGV[at + 1])
    else
      redis.call('SET', KEYS[i], ARGV[at + 1], 'PX', ARGV[2])
    end
    for k = entries_at + 1, entries_at + 2 * entries, 2 do
      redis.call('XADD', KEYS[1], '*', 't', ARGV[k], 'b', ARGV[k + 1])
    end
    results[#results + 1] = 1
  else
    results[#results + 1] = 0
  end
  at = entries_at + 2 * entries + 1
end
if remembers then
  redis.call('EXPIRE', KEYS[2], ARGV[1])
end
return results
