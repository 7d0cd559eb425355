import { readFileSync } from 'node:fs';
import { NODE_ENV } from './server-settings.ts';
import type { Setting, SettingRules } from './setting-declaration.ts';
import { type Environment, InvalidSettings, type Parser } from './settings.ts';

/**
 * Reads settings and collects what is wrong, so that the operator sees all problems at once.
 * An empty text counts as unset: that is how compose files and `.env` lines leave a setting out.
 */
export class SettingsReader implements SettingRules {
  private readonly problems: string[] = [];
  private readonly values = new Map<Setting<unknown>, unknown>();

  readonly warnings: string[];
  readonly production: boolean = false;

  /** @param warnings from before the settings are read */
  constructor(
    private readonly environment: Environment,
    warnings: readonly string[],
  ) {
    this.warnings = [...warnings];
    this.production = this.of(NODE_ENV) === 'production';
  }

  // Arrow functions, because rules destructure this object.
  readonly of = <T>(setting: Setting<T>): T => {
    if (!this.values.has(setting)) this.values.set(setting, this.read(setting));
    return this.values.get(setting) as T;
  };

  readonly isSet = ({ name, secret }: Setting<unknown>): boolean =>
    Boolean(this.environment[name] || (secret && this.environment[`${name}_FILE`]));

  readonly problem = (text: string): void => {
    this.problems.push(text);
  };

  readonly warning = (text: string): void => {
    this.warnings.push(text);
  };

  /** @throws {InvalidSettings} when anything was wrong. */
  finish(): void {
    if (this.problems.length > 0) throw new InvalidSettings(this.problems, this.warnings);
  }

  private read<T>(setting: Setting<T>): T | undefined {
    if (this.production && setting.requiredInProduction !== undefined && !this.isSet(setting))
      this.problem(`${setting.name} must be set when NODE_ENV=production`);
    return (
      (setting.secret ? this.fromFile(setting) : this.fromEnvironment(setting)) ??
      setting.default ??
      setting.defaultFrom?.value(this)
    );
  }

  private fromEnvironment<T>(setting: Setting<T>): T | undefined {
    const text = this.environment[setting.name];
    return text ? this.parsed(setting.name, () => this.parserOf(setting)(text)) : undefined;
  }

  private fromFile<T>(setting: Setting<T>): T | undefined {
    const { name } = setting;
    const file = this.environment[`${name}_FILE`];
    if (!file) return this.fromEnvironment(setting);
    if (this.environment[name]) {
      this.problem(`${name} and ${name}_FILE are both set: keep one`);
      return undefined;
    }
    return this.parsed(`${name}_FILE`, () => this.parserOf(setting)(readSecretFile(file)));
  }

  private parserOf<T>({ parse, parseInProduction = parse }: Setting<T>): Parser<T> {
    return this.production ? parseInProduction : parse;
  }

  private parsed<T>(name: string, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      this.problem(`${name} ${error instanceof Error ? error.message : 'is not usable'}`);
      return undefined;
    }
  }
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`names a file that cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
