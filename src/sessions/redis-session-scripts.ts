import { RedisScript } from '../platform/redis/index.ts';

/**
 * The sessions of one user are one hash, KEYS[1]: session id to JSON, with times in milliseconds since 1970. So every
 * script touches one key, which a cluster keeps in one place, and finds a session by user id and session id.
 * ARGV[1] is the idle limit in milliseconds, or empty. The clock is that of Redis. The last argument is the deadline: a
 * Redis that stalled must not run a script after its caller was told that it failed.
 */
const script = (body: string): RedisScript =>
  new RedisScript(`
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local idle, latest = tonumber(ARGV[1]), tonumber(ARGV[#ARGV])
if now > latest then return redis.error_reply('-TOOLATE the caller no longer waits') end

local function alive(text)
  local session = text and cjson.decode(text)
  if not session or session.expiresAt <= now then return nil end
  if idle and session.lastUsedAt + idle <= now then return nil end
  return session
end

local function keep(session)
  local text = cjson.encode(session)
  redis.call('HSET', KEYS[1], session.id, text)
  return text
end
${body}`);

/** ARGV[2] session id. Returns the session, or nil. */
export const FIND = script(`
local text = redis.call('HGET', KEYS[1], ARGV[2])
return alive(text) and text`);

/** Returns the active sessions. */
export const LIST = script(`
local texts = {}
for _, text in ipairs(redis.call('HVALS', KEYS[1])) do
  if alive(text) then table.insert(texts, text) end
end
return texts`);

/**
 * ARGV[2] the session without its times, ARGV[3] its life in milliseconds. Removes expired and idle sessions. The key
 * lives as long as the longest-lived session. Returns the new session, then the others.
 */
export const CREATE = script(`
local session = cjson.decode(ARGV[2])
session.createdAt, session.authenticatedAt, session.rotatedAt, session.lastUsedAt = now, now, now, now
session.expiresAt = now + tonumber(ARGV[3])
local texts, last = {}, session.expiresAt
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local other = alive(held[i + 1])
  if other then
    table.insert(texts, held[i + 1])
    last = math.max(last, other.expiresAt)
  else
    redis.call('HDEL', KEYS[1], held[i])
  end
end
table.insert(texts, 1, keep(session))
redis.call('PEXPIREAT', KEYS[1], string.format('%d', last))
return texts`);

/**
 * ARGV[2] session id, ARGV[3] the presented generation, ARGV[4] the use. Returns the rotated session; or a session at
 * another generation, and the time; or nothing.
 */
export const ROTATE = script(`
local text = redis.call('HGET', KEYS[1], ARGV[2])
local session = alive(text)
if not session then return {} end
if tonumber(ARGV[3]) ~= session.generation then return { text, now } end
local use = cjson.decode(ARGV[4])
session.generation = session.generation + 1
-- Never the time of authentication: equal times mark a step-up of an earlier release (notesOfEarlierRelease).
session.rotatedAt, session.lastUsedAt = math.max(now, session.authenticatedAt + 1), now
session.userAgent, session.ipAddress = use.userAgent, use.ipAddress
return { keep(session) }`);

/** ARGV[2] session id. Returns the session and the time, or nothing. */
export const LOOK = script(`
local text = redis.call('HGET', KEYS[1], ARGV[2])
return alive(text) and { text, now } or {}`);

/**
 * ARGV[2] session id, ARGV[3] the session as it was read, ARGV[4] the change. Returns the session, or nil when it had
 * changed.
 */
export const WRITE = script(`
local text = redis.call('HGET', KEYS[1], ARGV[2])
local session = alive(text)
if not session or text ~= ARGV[3] then return nil end
local change = cjson.decode(ARGV[4])
session.notes = change.notes
if change.advance then
  session.generation = change.advance.to
  session.rotatedAt, session.lastUsedAt = now, now
  session.userAgent, session.ipAddress = change.advance.use.userAgent, change.advance.use.ipAddress
end
if change.proof then
  session.amr, session.aal, session.authenticatedAt = change.proof.amr, change.proof.aal, now
end
return keep(session)`);

/** ARGV[2] session id, ARGV[3] the generation of a used access token. Returns 1 when it was noted now. */
export const MARK_SEEN = script(`
local session = alive(redis.call('HGET', KEYS[1], ARGV[2]))
local generation = tonumber(ARGV[3])
if not session or session.generation ~= generation or session.seenGeneration == generation then return 0 end
session.seenGeneration = generation
keep(session)
return 1`);
