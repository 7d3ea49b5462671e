import type { BootstrapContext } from '../engine/context.ts';
export interface EnsureImagesOptions { readonly dockerHost: string; }
export interface EnsuredImage { readonly tag: string; readonly id: string; readonly built: boolean; }
export declare function ensureImages(context: BootstrapContext, options: EnsureImagesOptions): Promise<EnsuredImage[]>;
