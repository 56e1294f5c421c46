// Audits the pages at the URLs of the command line in one browser, whose path is in CHROME_PATH. For each it prints a
// line of JSON: the URL, the scores by category (0 to 1), and the audits that do not pass.
import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';

const chrome = await launch({
  chromeFlags: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage'],
  logLevel: 'error',
});
try {
  for (const url of process.argv.slice(2)) {
    const { lhr } = await lighthouse(url, {
      port: chrome.port,
      logLevel: 'error',
      output: [],
      onlyCategories: ['accessibility', 'best-practices'],
    });
    if (lhr.runtimeError) throw new Error(lhr.runtimeError.message);
    const scores = Object.fromEntries(Object.values(lhr.categories).map(({ id, score }) => [id, score]));
    const failed = Object.values(lhr.audits).filter(({ score }) => score !== null && score < 1).map(({ title }) => title);
    console.log(JSON.stringify({ url, scores, failed }));
  }
} finally {
  chrome.kill();
}
