// Ends with 0 when the address answers with 2xx; prints what it says otherwise. For the health checks of compose.yaml.
const response = await fetch(process.argv[2] ?? '', { signal: AbortSignal.timeout(4000) });
if (!response.ok) console.error(await response.text());
process.exit(response.ok ? 0 : 1);
