-- May this caller spend it? The algorithm of `ledger.py`, in one atomic step.
--
-- KEYS of a caller, all under one hash tag, so that a cluster keeps them in one slot:
--   rl:{owner}:spent   hash: at, requests, tokens, day, day_tokens
--   rl:{owner}:leases  sorted set: lease -> when it expires
--   rl:{owner}:held    hash: lease -> "charged reported day"
-- KEYS of an address: rl:{address}:sign_in, a hash: at, level
-- ARGV: operation, now ('' for the server's clock), then what the operation needs.
--
-- Redis refuses writes when it is full only at the first write of a script. So a refusal leaves nothing
-- half done; and giving back starts with a removal, which is always allowed, so it works on a full server.

local UNIT = 60000
local DAY = 86400000
local HIGHEST_LEVEL = 2 ^ 50

local operation = ARGV[1]
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function leak(level, at, rate)
  return math.max(0, (tonumber(level) or 0) - math.max(0, now - (tonumber(at) or now)) * rate)
end

if operation == 'attempt' or operation == 'forgive' then
  local rate, burst = tonumber(ARGV[3]), tonumber(ARGV[4])
  local stored = redis.call('HMGET', KEYS[1], 'at', 'level')
  local level = leak(stored[2], stored[1], rate)
  local has_room = level + UNIT <= burst * UNIT
  if operation == 'forgive' then
    level = math.max(0, level - UNIT)
  elseif has_room then
    level = level + UNIT
  else
    return {0, level}
  end
  redis.call('HSET', KEYS[1], 'at', now, 'level', level)
  redis.call('PEXPIRE', KEYS[1], math.ceil(level / rate) + 1)
  return {1, level}
end

local spent_key, leases_key, held_key = KEYS[1], KEYS[2], KEYS[3]
local requests_per_minute, burst = tonumber(ARGV[3]), tonumber(ARGV[4])
local tokens_per_minute, tokens_per_day = tonumber(ARGV[5]), tonumber(ARGV[6])
local in_flight, lease_milliseconds = tonumber(ARGV[7]), tonumber(ARGV[8])
local lease, first, second = ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])

local spent = redis.call('HMGET', spent_key, 'at', 'requests', 'tokens', 'day', 'day_tokens')
local today = math.floor(now / DAY)
local requests = leak(spent[2], spent[1], requests_per_minute)
local tokens = leak(spent[3], spent[1], tokens_per_minute)
local day_tokens = tonumber(spent[4]) == today and tonumber(spent[5]) or 0
local changed = false

local function charge(amount, amount_today)
  tokens = math.min(HIGHEST_LEVEL, math.max(0, tokens + amount * UNIT))
  day_tokens = math.max(0, day_tokens + amount_today)
  changed = true
end

local function find(id)
  local text = redis.call('HGET', held_key, id)
  if not text then return nil end
  local charged, reported, day = string.match(text, '(%d+) (%d+) (%d+)')
  return {charged = tonumber(charged), reported = tonumber(reported), day = tonumber(day)}
end

local function hold(id, charged, reported, day)
  redis.call('ZADD', leases_key, now + lease_milliseconds, id)
  redis.call('HSET', held_key, id, string.format('%.0f %.0f %.0f', charged, reported, day))
  changed = true
end

-- Takes a lease out; what is still to be charged for it, in all and to this day.
local function take(id, held, used)
  redis.call('ZREM', leases_key, id)
  redis.call('HDEL', held_key, id)
  local amount = used - held.charged
  return amount, held.day == today and amount or 0
end

local function has_room(cost)
  if day_tokens + cost > tokens_per_day then return 1 end
  if tokens + cost * UNIT > tokens_per_minute * UNIT then return 2 end
  if requests + UNIT > burst * UNIT then return 3 end
  if redis.call('ZCARD', leases_key) >= in_flight then return 4 end
  return 0
end

-- What crashed processes left behind is charged what they last reported: as one sum, so that no order counts.
local orphaned, orphaned_today = 0, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases_key, '-inf', now)) do
  local held = find(id) or {charged = 0, reported = 0, day = today}
  local amount, amount_today = take(id, held, held.reported)
  orphaned, orphaned_today = orphaned + amount, orphaned_today + amount_today
  changed = true
end
if changed then charge(orphaned, orphaned_today) end

local verdict = 0
if operation == 'reserve' then
  verdict = has_room(first)
  if verdict == 0 then
    requests = requests + UNIT
    charge(first, first)
    hold(lease, first, second, today)
  end
elseif operation == 'renew' then
  local held = find(lease) or {charged = first, reported = first, day = today}
  hold(lease, held.charged, math.max(held.reported, second), held.day)
elseif operation == 'settle' then
  local held = find(lease)
  if held then
    charge(take(lease, held, second))
  elseif second > first then
    charge(second - first, second - first)
  end
end

if changed then
  redis.call('HSET', spent_key, 'at', now, 'requests', requests, 'tokens', tokens, 'day', today, 'day_tokens', day_tokens)
  -- When these keys vanish, forgetting them changes nothing.
  local drained = math.max(requests / requests_per_minute, tokens / tokens_per_minute)
  local lifetime = math.ceil(math.max(DAY - now % DAY, drained)) + 2 * lease_milliseconds
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, lifetime) end
end

local last = redis.call('ZREVRANGE', leases_key, 0, 0, 'WITHSCORES')
return {verdict, now, requests, tokens, day_tokens, redis.call('ZCARD', leases_key), tonumber(last[2]) or now}
