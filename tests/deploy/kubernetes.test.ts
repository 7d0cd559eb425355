import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '../../src/config/index.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of every kind
type Manifest = any;

/** Whether this machine has a kubectl, with kustomize in it, that is new enough: 1.20 for the base, 1.21 for an overlay. */
const renders = (folder: string) =>
  spawnSync('kubectl', ['version', '--client'], { stdio: 'ignore' }).error === undefined &&
  !/must be a file/.test(spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' }).stderr);

function render(folder: string): Manifest[] {
  const { stdout } = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });
  return parseAllDocuments(stdout).map((document) => document.toJS());
}

/** The module of kubernetes-models with the kinds of a group: `v1`, `apps/v1`, `networking.k8s.io/v1`. */
const moduleOf = ({ apiVersion }: Manifest) => resolve(`node_modules/kubernetes-models/${apiVersion}/index`);

describe.each(['base', 'example'])('deploy/kubernetes/%s', (name) => {
  const manifests = `deploy/kubernetes/${name}`;
  const canRender = renders(manifests);
  let objects: Manifest[];
  let folder: string;
  const only = (kind: string): Manifest => {
    const found = objects.filter((object) => object.kind === kind);
    expect(found).toHaveLength(1);
    return found[0];
  };
  beforeAll(() => {
    objects = canRender ? render(manifests) : [];
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-kubernetes-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const rendered = canRender ? it : it.skip;

  rendered('renders objects that the schemas of Kubernetes accept', async () => {
    expect(objects.length).toBeGreaterThan(7);
    for (const object of objects) {
      const models = await import(`${moduleOf(object)}.mjs`);
      new models[object.kind](object).validate();
    }
  });

  // The schemas let unknown fields pass; the compiler does not.
  rendered('has no field that Kubernetes does not know', () => {
    const lines = objects.map(
      (object, index) =>
        `import type { I${object.kind} as T${index} } from '${moduleOf(object)}.js';\n` +
        `export const o${index}: T${index} = ${JSON.stringify(object)};\n`,
    );
    writeFileSync(join(folder, 'objects.ts'), lines.join(''));
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', ''];
    const checked = spawnSync(resolve('node_modules/.bin/tsc'), [...options, 'objects.ts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(checked.stdout).toBe('');
  });

  rendered('gives no pod more rights than the strictest profile of Kubernetes allows', () => {
    for (const kind of ['Deployment', 'Job']) {
      const { spec } = only(kind).spec.template;
      expect(spec.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(spec.automountServiceAccountToken).toBe(false);
      expect(spec.enableServiceLinks).toBe(false);
      for (const { securityContext } of spec.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
    }
    expect(only('Namespace').metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
  });

  rendered('gives the login that owns the tables to the migrations alone', () => {
    expect(JSON.stringify(only('Job'))).toContain('database_migration_url');
    expect(JSON.stringify(only('Deployment'))).not.toContain('migration');
  });

  rendered('selects the pods of the deployment everywhere', () => {
    const { spec } = only('Deployment');
    const { labels } = spec.template.metadata;
    const selectors = [
      spec.selector.matchLabels,
      only('Service').spec.selector,
      only('PodDisruptionBudget').spec.selector.matchLabels,
      only('NetworkPolicy').spec.podSelector.matchLabels,
      ...spec.template.spec.topologySpreadConstraints.map(
        (constraint: Manifest) => constraint.labelSelector.matchLabels,
      ),
    ];
    expect(selectors).toHaveLength(6);
    for (const selector of selectors) expect(labels).toMatchObject(selector);
    expect(only('Job').spec.template.metadata.labels).not.toMatchObject(only('Service').spec.selector);
  });

  rendered('has settings that production accepts, with each secret in a file', () => {
    const settings = only('ConfigMap').data;
    const database = 'postgresql://login:password@db.example.com/gatehouse';
    const secrets: Record<string, string> = {
      ...newSecrets(),
      DATABASE_URL: database,
      DATABASE_MIGRATION_URL: database,
      REDIS_URL: 'redis://redis.example.com',
      SMTP_URL: 'smtps://mail.example.com',
    };
    for (const kind of ['Deployment', 'Job']) {
      const [container] = only(kind).spec.template.spec.containers;
      const files = container.env.map(({ name: variable }: Manifest) => {
        const file = join(folder, variable);
        writeFileSync(file, `${secrets[variable.replace(/_FILE$/, '')]}\n`);
        return [variable, file];
      });
      const environment = { NODE_ENV: 'production', ...settings, ...Object.fromEntries(files) };
      expect(() => loadConfig(environment)).not.toThrow();
    }
    const shutdown = Number(settings.SHUTDOWN_DELAY_SECONDS);
    const { terminationGracePeriodSeconds, containers } = only('Deployment').spec.template.spec;
    expect(terminationGracePeriodSeconds).toBeGreaterThan(shutdown + 20);
    const { periodSeconds, failureThreshold } = containers[0].readinessProbe;
    expect(periodSeconds * failureThreshold).toBeLessThan(shutdown);
  });
});

describe('the probes of deploy/kubernetes', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start();
  });
  afterAll(async () => {
    await gateway.close();
  });

  (renders('deploy/kubernetes/base') ? it : it.skip)('are answered by the gateway', async () => {
    const [deployment] = render('deploy/kubernetes/base').filter(({ kind }) => kind === 'Deployment');
    const [container] = deployment.spec.template.spec.containers;
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const { path } = container[probe].httpGet;
      expect((await fetch(`${gateway.url}${path}`)).status).toBe(200);
    }
  });
});
