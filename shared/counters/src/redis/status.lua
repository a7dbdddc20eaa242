-- One payment as it was, in one atomic step: it is found, or kept unless what is kept is of a later version, or as late.
--
-- KEYS[1]  the payment: "version at_us merchant body"; absent means that nothing is kept. What cannot be read counts as absent.
-- ARGV     what to do (find, keep or renew), and unless it is find: the version, when it was the truth, the whole value, and
--          for how many milliseconds it is kept. Renewed is only what is kept already.
-- Answers  find: the value, or nothing. The others: 1, or 0 where Redis takes no writes.
local what = ARGV[1]
local kept = redis.pcall('GET', KEYS[1])
if type(kept) ~= 'string' then
  kept = false
end
if what == 'find' then
  return kept
end

local kept_version, kept_at
if kept then
  kept_version, kept_at = string.match(kept, '^(%d+) (%d+) ')
  if kept_version and (#kept_version > 15 or #kept_at > 16) then
    kept_version = nil
  end
end
if what == 'renew' and not kept_version then
  return 1
end

-- So many digits stay below 2^53 for any time of ours: Lua holds them exactly.
if kept_version then
  local version, at = tonumber(ARGV[2]), tonumber(ARGV[3])
  kept_version, kept_at = tonumber(kept_version), tonumber(kept_at)
  if version < kept_version or (version == kept_version and at <= kept_at) then
    return 1
  end
end

-- A Redis that is full says so to whoever takes a token: that it keeps no payments makes no counter go away.
local written = redis.pcall('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
if type(written) == 'table' and written.err then
  return 0
end
return 1
