import { readFileSync } from 'node:fs';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Every problem of the settings together. Names settings, never their values: one of them may be a secret. */
export class InvalidSettings extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The settings are not usable:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
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

  constructor(private readonly environment: Environment) {}

  optional<T>(name: string, parse: Parser<T>): T | undefined {
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

  problem(text: string): void {
    this.problems.push(text);
  }

  /** @throws {InvalidSettings} when anything was wrong. */
  finish(): void {
    if (this.problems.length > 0) throw new InvalidSettings(this.problems);
  }
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`names a file that cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
