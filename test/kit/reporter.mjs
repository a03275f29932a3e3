/** Mocha's spec report, closed by the one line that a machine reads: `N passed, N failed`. */
import mocha from "mocha";

export default class Reporter extends mocha.reporters.Spec {
  epilogue() {
    super.epilogue();
    const { passes, failures } = this.stats;
    process.stdout.write(`${passes} passed, ${failures} failed\n`);
  }
}
