import { writeFileSync } from 'node:fs';
import { constants, PerformanceObserver } from 'node:perf_hooks';

/**
 * Loaded into a server by `--import`: writes the bytes of heap that are left after each full collection into the file
 * HEAP_FILE. Nothing is collected for it, so that the server's memory is what it would be without.
 */
const file = process.env.HEAP_FILE;
if (file === undefined) throw new Error('HEAP_FILE is not set');

new PerformanceObserver((list) => {
  const isFull = (entry: object) =>
    (entry as { detail?: { kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
  if (list.getEntries().some(isFull)) writeFileSync(file, String(process.memoryUsage().heapUsed));
}).observe({ entryTypes: ['gc'] });
