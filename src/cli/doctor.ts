import { examine, type Finding } from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import { InvalidSettings } from '../platform/settings.ts';
import { CommandError } from './streams.ts';

export interface DoctorOptions {
  /** Prints the findings as a JSON array. */
  readonly json?: boolean;
}

/**
 * Prints what is wrong with a deployment, a line for each check.
 * @throws {CommandError} when a check failed. A warning alone is not a failure.
 */
export async function doctor(
  readConfig: () => Config,
  output: NodeJS.WritableStream,
  { json = false }: DoctorOptions,
): Promise<void> {
  const findings = await findingsOf(readConfig);
  output.write(json ? `${JSON.stringify(findings, null, 2)}\n` : listing(findings));
  const failures = findings.filter(({ status }) => status === 'fail').length;
  if (failures > 0) throw new CommandError(`${plural(failures, 'check')} failed.`);
}

async function findingsOf(readConfig: () => Config): Promise<Finding[]> {
  let config: Config;
  try {
    config = readConfig();
  } catch (error) {
    if (!(error instanceof InvalidSettings)) throw error;
    const { problems, warnings } = error;
    return [...problems.map((problem) => settingFinding('fail', problem)), ...warnings.map(settingWarning)];
  }
  const settings: Finding[] =
    config.warnings.length > 0
      ? config.warnings.map(settingWarning)
      : [{ check: 'settings', status: 'ok', message: 'The settings can be used together.', fix: null }];
  return [...settings, ...(await examine(config))];
}

const settingWarning = (text: string): Finding => settingFinding('warn', text);

/** The messages about settings already say what to do. */
function settingFinding(status: 'warn' | 'fail', text: string): Finding {
  const fix =
    status === 'fail'
      ? 'Correct it (docs/configuration.md). The other checks did not run.'
      : 'Correct it (docs/configuration.md).';
  return { check: 'settings', status, message: /[.!?]$/.test(text) ? text : `${text}.`, fix };
}

function listing(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.map(
    ({ check, status, message, fix }) =>
      `${status.padEnd(4)}  ${check.padEnd(width)}  ${message}${fix === null ? '' : ` ${fix}`}\n`,
  );
  return lines.join('');
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
