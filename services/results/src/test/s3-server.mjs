// An S3-compatible server of its own: `node s3-server.mjs -d <folder> -a 127.0.0.1 -p 0 --configure-bucket <name>`.
import { parseAsync } from '@20minutes/s3rver/lib/cli.js';

await parseAsync();
