import { connectionRefusal, isDatabaseError } from '../database/index.ts';
import { InvalidSettings } from '../settings.ts';
import { withTimeout } from '../with-timeout.ts';
import { type Check, type Deployment, type Finding, fail, type Result } from './check.ts';

/** Milliseconds for a check. With the foundation and one check before it, the doctor ends within 15 s. */
const DEADLINE = 5_000;

/**
 * Runs checks side by side, each with a deadline of its own.
 * @returns what they found, in the order of the checks. A check whose predecessor failed does not run. The finding of
 * the predecessor says how many checks did not run.
 */
export async function runChecks<Config>(
  checks: ReadonlyArray<Check<Config>>,
  deployment: Deployment<Config>,
): Promise<Finding[]> {
  const running = new Map<string, Promise<readonly Result[]>>();
  const needed = new Map<string, number>();
  for (const check of checks) {
    const { name, after } = check;
    const before = after === undefined ? undefined : running.get(after);
    if (after !== undefined && !before) throw new Error(`${name} stands before ${after}, which it needs`);
    for (let other = after; other !== undefined; other = checks.find((one) => one.name === other)?.after)
      needed.set(other, (needed.get(other) ?? 0) + 1);
    running.set(name, runAfter(before, check, deployment));
  }
  const found: Finding[] = [];
  for (const [check, results] of running) {
    for (const result of await results) found.push(withSkipped({ check, ...result }, needed.get(check)));
  }
  return found;
}

async function runAfter<Config>(
  before: Promise<readonly Result[]> | undefined,
  check: Check<Config>,
  deployment: Deployment<Config>,
): Promise<readonly Result[]> {
  const found = await before;
  if (found && (found.length === 0 || found.some(({ status }) => status === 'fail'))) return [];
  return run(check, deployment);
}

async function run<Config>(
  { run: look, deadline = DEADLINE }: Check<Config>,
  deployment: Deployment<Config>,
): Promise<readonly Result[]> {
  const late = Symbol('late');
  const ended = Promise.resolve()
    .then(() => look(deployment))
    .catch((error: unknown) => unexpected(error));
  const results = await withTimeout(deadline, ended).catch(() => late);
  if (results === late) {
    return [
      fail(
        `The check did not end within ${deadline / 1_000} s.`,
        'See whether the part that it asks hangs, or whether the network drops packets on the way to it.',
      ),
    ];
  }
  if (results === null) return [];
  return [results as Result | readonly Result[]].flat();
}

/** Names an error without its message, which may quote a value: an address, a row, a connection string. */
function unexpected(error: unknown): Result {
  const { name = 'Error', code } = (error ?? {}) as { name?: string; code?: unknown };
  const reason =
    error instanceof InvalidSettings
      ? error.problems.join('; ')
      : (connectionRefusal(error) ??
        [isDatabaseError(error) ? 'SQLSTATE' : name, code].filter(Boolean).join(' '));
  return fail(`The check could not be made: ${reason}.`, 'Correct that, then run the doctor again.');
}

function withSkipped(finding: Finding, count = 0): Finding {
  if (finding.status !== 'fail' || count === 0) return finding;
  const others = count === 1 ? 'Another check needs it and' : `${count} other checks need it and`;
  return { ...finding, message: `${finding.message} ${others} did not run.` };
}
