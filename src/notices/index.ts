export type { NoticeServices } from './compose.ts';
export { OwnerNotices } from './owner-notices.ts';
