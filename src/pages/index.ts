export { COMMON_SCRIPT } from './common.script.ts';
export { type Page, type PageSetting, servePage } from './page.ts';
