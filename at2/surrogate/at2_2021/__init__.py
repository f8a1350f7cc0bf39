"""The model that AT2 was published with, as a yardstick: a sparse variational Gaussian process over all curves.

With ``(s, i, t)`` for the reading of task s, configuration i and epoch t, the prior of a curve's value is

    f(s, i, t) ~ N(mu_s, k_task(s, s') * k_config(i, i') * k_epoch(t, t')),      y = f + noise

    k_task   = v exp(-d / (l g)^2),    g = U / (1 + (U - 1) r)
    k_config = (h(x) . h(x') + o)^2,   h = linear, tanh, linear of numbers and embedded choices
    k_epoch  = w [1 + (b / (t + t' + b))^a - (b / (t + b))^a - (b / (t' + b))^a]

| symbol  | meaning                                                                     | shape                      |
|---------|-----------------------------------------------------------------------------|----------------------------|
| mu      | constant mean of each task, the target included, from 0                     | (n_task,)                  |
| d       | mean square of the centred differences of two tasks over the cells observed |                            |
|         | on both; 0.5 where at most one cell is; 0 of a task with itself             | (n_task, n_task)           |
| r       | share of the n_config x n_epoch cells that is observed on both tasks        | (n_task, n_task)           |
| U       | how much further two tasks without a common cell may be apart, above 1      | ()                         |
| v, l    | variance and length scale of tasks                                          | ()                         |
| x       | numbers in [0, 1], 0 where inactive, and a number for each choice           | (n_config, n_column)       |
| h       | learnt code of a configuration, as wide as its input                        | (n_config, n_numeric + ..) |
| o       | offset of the polynomial                                                    | ()                         |
| t       | completed epochs over n_epoch, in (0, 1]                                    | (n_epoch,)                 |
| a, b, w | shape, scale and variance of the decay over epochs                          | ()                         |
| Z       | inducing points: drawn from the source readings, then learnt                | (num_inducing_point, ..)   |

`U`, `v`, `l`, `o`, `a`, `b`, `w`, the noise, `mu`, `h`, `Z` and the variational distribution maximize the evidence
lower bound by stochastic gradient ascent: before the first query on the sources alone, after each on all readings.

Faithful to the authors' code: the three kernels, the means and the likelihood with their starting values; the whitened
variational strategy with a full covariance; the order of training (batches without their last, incomplete one; a rate
that rises from 0 over the first 1 % of all epochs and falls to 0 at the last); distances between target and sources
that follow the queries; a single training seed of the history; the recommendation at the highest mean of any cell.

What differs, on purpose:

- Numbers are float64, not float32, and come from at2's search spaces: inactive ones are 0 as well, but logarithms,
  relative ranges and the two ranges of ``gamma`` are the space's own.
- ``k_task`` is not always positive semi-definite while the target has few readings. The smallest shift of its diagonal
  that makes it so is added (and left out of the gradients).
- The upper confidence bound counts cells only that the remaining budget can reach; ties go to the first, not to chance.
- A reading that is missing (a run that failed) takes no part. Fewer readings than a batch make one batch.
- A metric outside [0, 1] is mapped there by the range of the sources. The published data are accuracies in [0, 1].
- Queries that are still out are conditioned on exactly, at their expected value; the authors ask one at a time.
- Inducing points, starting values and shuffles are drawn from the seed of the run, not from 2021.

References:
    Xiao, Xing, Neiswanger, Amortized Auto-Tuning: Cost-Efficient Bayesian Transfer Optimization for Hyperparameter
    Recommendation, 2021, arXiv:2106.09179. Formulas, starting values and settings were read off the authors' published
    implementation (github.com/xiaoyuxin1002/amortized-auto-tuning, files model.py, main.py and run.sh).
    The kernel over epochs follows Swersky, Snoek, Adams, Freeze-thaw Bayesian optimization, 2014, arXiv:1406.3896.
    Variational inference: Hensman, Matthews, Ghahramani, Scalable variational GP classification, 2015, arXiv:1411.2005.
"""

from at2.surrogate.at2_2021.surrogate import AutoTuning2021

__all__ = ["AutoTuning2021"]
