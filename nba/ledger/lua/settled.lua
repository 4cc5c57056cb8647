-- Read entries of one type, and how far this answer is complete.
-- KEYS: ledger. ARGV: position to go on from, type of entry, most entries to look at.
-- Whatever is written later is stamped with this server's time of then, so up to the millisecond
-- before now nothing can be added; where there is more than was looked at, only as far as that.
-- Returns ms of the store's clock, the last position looked at ('' where that was all there is),
-- then position and body of each entry.
local time = redis.call('TIME')
local limit = tonumber(ARGV[3])
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', limit)
local reply = {time[1] * 1000 + math.floor(time[2] / 1000), ''}
if #found == limit then
  reply[2] = found[limit][1]
end
for _, entry in ipairs(found) do
  if entry[2][2] == ARGV[2] then
    reply[#reply + 1] = entry[1]
    reply[#reply + 1] = entry[2][4]
  end
end
return reply
