import { readFileSync } from 'node:fs';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Every problem of the settings together. Names settings, never their values: one of them may be a secret. */
export class InvalidSettings extends Error {
  /** @param warnings what may be the reason of a problem, or a mistake of its own */
  constructor(
    readonly problems: readonly string[],
    readonly warnings: readonly string[] = [],
  ) {
    const listed = (texts: readonly string[]) => texts.map((text) => `\n- ${text}`).join('');
    super(
      `The settings are not usable:${listed(problems)}${warnings.length > 0 ? `\nPerhaps also:${listed(warnings)}` : ''}`,
    );
    this.name = 'InvalidSettings';
  }
}

/** Turns the text of a setting into its value; throws an Error whose message completes "NAME ...". */
export type Parser<T> = (text: string) => T;

/**
 * Reads settings one by one and collects what is wrong, so that a person sees all problems at once.
 * An empty text counts as unset: that is how compose files and `.env` lines leave a setting out.
 */
export class SettingsReader {
  private readonly problems: string[] = [];
  private readonly names = new Set<string>();

  /** What is probably a mistake, and does not keep the gateway from running. */
  readonly warnings: string[] = [];

  constructor(private readonly environment: Environment) {}

  optional<T>(name: string, parse: Parser<T>): T | undefined {
    this.names.add(name);
    const text = this.environment[name];
    if (text === undefined || text === '') return undefined;
    try {
      return parse(text);
    } catch (error) {
      this.problem(`${name} ${error instanceof Error ? error.message : 'is not usable'}`);
      return undefined;
    }
  }

  withDefault<T>(name: string, parse: Parser<T>, fallback: T): T {
    return this.optional(name, parse) ?? fallback;
  }

  /** A secret may stand in a file that `NAME_FILE` names (Docker and Kubernetes secrets). */
  secret<T>(name: string, parse: Parser<T>): T | undefined {
    this.names.add(name).add(`${name}_FILE`);
    const file = this.environment[`${name}_FILE`];
    if (file === undefined || file === '') return this.optional(name, parse);
    if (this.environment[name]) {
      this.problem(`${name} and ${name}_FILE are both set: keep one`);
      return undefined;
    }
    return this.optional(`${name}_FILE`, () => parse(readSecretFile(file)));
  }

  isSet(name: string): boolean {
    return Boolean(this.environment[name] || this.environment[`${name}_FILE`]);
  }

  /** The settings that were read so far, whether they are set or not. */
  get known(): ReadonlySet<string> {
    return this.names;
  }

  /** Names and values that are set and are not among the settings that were read so far. */
  unknown(): Array<[name: string, value: string]> {
    return Object.entries(this.environment).flatMap(([name, value]) =>
      value && !this.names.has(name) ? [[name, value] as [string, string]] : [],
    );
  }

  problem(text: string): void {
    this.problems.push(text);
  }

  warning(text: string): void {
    this.warnings.push(text);
  }

  /** @throws {InvalidSettings} when anything was wrong. */
  finish(): void {
    if (this.problems.length > 0) throw new InvalidSettings(this.problems, this.warnings);
  }
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`names a file that cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
