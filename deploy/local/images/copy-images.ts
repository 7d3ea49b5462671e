export declare function copyImages(options: { from: string; to: string; tags: readonly string[] }): Promise<void>;
