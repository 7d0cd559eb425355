import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { METRICS } from '../../src/modules.ts';

const DASHBOARD = 'deploy/grafana/dashboards/gatehouse.json';
const RULES = 'deploy/prometheus/rules/gatehouse.yml';
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const withPromtool = hasPromtool ? it : it.skip;

/** Series that a metric has in the text format of Prometheus. */
const SERIES = new Set(
  METRICS.flatMap(({ name, kind }) =>
    kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);

describe.each([DASHBOARD, RULES])('%s', (file) => {
  const text = readFileSync(file, 'utf8');

  it('names only metrics that the gateway has', () => {
    const named = new Set([...text.matchAll(/\bgatehouse_\w+/g)].map(([name]) => name));
    expect([...named].filter((name) => !SERIES.has(name))).toEqual([]);
    expect(named.size).toBeGreaterThan(5);
  });
});

describe('the dashboard', () => {
  it('shows every metric', () => {
    const text = readFileSync(DASHBOARD, 'utf8');
    expect(METRICS.map(({ name }) => name).filter((name) => !text.includes(name))).toEqual([]);
  });
});

describe('the alert rules', () => {
  withPromtool('are silent while the gateway works, and fire for each fault', () => {
    const { status, stdout, stderr } = spawnSync(
      'promtool',
      ['test', 'rules', 'deploy/prometheus/tests/gatehouse.yml'],
      {
        encoding: 'utf8',
      },
    );
    expect({ status, output: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, output: '' });
  });
});
