import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const UNITS = ['gatehouse.service', 'gatehouse-migrate.service'];
const analyze = (...args: string[]) =>
  spawnSync('systemd-analyze', args, { cwd: 'deploy/systemd', encoding: 'utf8' });
/** The first release that judges a file offline is 250. */
const judges =
  Number(/^systemd (\d+)/.exec(analyze('--version').stdout ?? '')?.[1] ?? 0) >= 250 ? it : it.skip;
const read = (unit: string) => readFileSync(`deploy/systemd/${unit}`, 'utf8');

describe.each(UNITS)('deploy/systemd/%s', (unit) => {
  judges('is accepted by systemd', () => {
    const { status, stdout, stderr } = analyze('verify', ...UNITS.map((each) => `./${each}`));
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  judges('has an exposure of at most 2.0 of 10', () => {
    expect(analyze('security', '--offline=true', '--threshold=20', `./${unit}`).status).toBe(0);
  });

  it('reads each secret that it loads from the folder of credentials', () => {
    const loaded = [...read(unit).matchAll(/^LoadCredential=(\w+):\/etc\/gatehouse\/\1$/gm)].map(
      ([, name]) => name,
    );
    const named = [...read(unit).matchAll(/([A-Z_]+)_FILE=%d\/(\w+)/g)].map(([, setting = '', file]) => {
      expect(file).toBe(setting.toLowerCase());
      return file;
    });
    expect(loaded.length).toBeGreaterThan(3);
    expect(named.sort()).toEqual(loaded.sort());
  });
});

describe('the units of systemd', () => {
  it('give the login that owns the tables to the migrations alone', () => {
    expect(read('gatehouse.service')).not.toContain('database_migration_url');
    expect(read('gatehouse-migrate.service')).toContain('database_migration_url');
  });

  it('are hardened alike', () => {
    const [one, other] = UNITS.map((unit) =>
      /^CapabilityBoundingSet=[\s\S]*?^UMask=.*$/m.exec(read(unit))?.[0].trim(),
    );
    expect(one).toBeDefined();
    expect(one).toBe(other);
  });
});
