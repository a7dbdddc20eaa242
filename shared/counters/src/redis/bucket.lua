-- One token bucket, in one atomic step, on the server's own clock. `bucket.rs` says the same in Rust, and why the numbers
-- stay whole: all of them are below 2^53.
--
-- KEYS[1]  the bucket: "units at_ms"; absent means full. What cannot be read counts as absent.
-- ARGV     what to do (take, look or give), units added each millisecond, units that it holds, units in a token, the most
--          units to believe in (or -1), by how many milliseconds a clock that goes back stands still, and after how many
--          a bucket that is not full is forgotten.
-- Answers  whether there was a token, the units left, and by how many milliseconds the bucket's clock stands ahead.
local what, rate, capacity = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local token, ceiling = tonumber(ARGV[4]), tonumber(ARGV[5])
local stands_still_ms, forgotten_after_ms = tonumber(ARGV[6]), tonumber(ARGV[7])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local units, at, written = capacity, now, false
local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'string' then
  local kept_units, kept_at = string.match(kept, '^(%d+) (%d+)$')
  if kept_units then
    units, at = math.min(tonumber(kept_units), capacity), tonumber(kept_at)
  end
end

if at > now + stands_still_ms then
  at, written = now, true
elseif at <= now then
  units, at = math.min(capacity, units + rate * (now - at)), now
end
if ceiling >= 0 and units > ceiling then
  units, written = ceiling, true
end

local granted = units >= token
if what == 'take' and granted then
  units, written = units - token, true
elseif what == 'give' then
  units, written = math.min(capacity, units + token), true
end

-- A refusal writes nothing: what was kept still says the same.
if written and what ~= 'look' then
  local full_in_ms = math.ceil((capacity - units) / rate) + (at - now)
  local forgotten_in_ms = math.max(1, math.min(full_in_ms, forgotten_after_ms))
  redis.call('SET', KEYS[1], string.format('%.0f %.0f', units, at), 'PX', string.format('%.0f', forgotten_in_ms))
end
return { granted and 1 or 0, units, at - now }
