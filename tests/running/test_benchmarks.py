from rev2fwd_il.running.benchmarks import Benchmark, iteration_of, read_benchmarks, stage_of

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def test_reads_what_snakemake_writes_and_passes_over_the_rest(tmp_path):
    (tmp_path / "train_A.tsv").write_text(HEADER + "485.96\t0:08:05\t1040.80\t1\t1\t1\t6.07\t127.89\t94.58\t460.12\n")
    (tmp_path / "short.tsv").write_text(HEADER + "0.12\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n")
    (tmp_path / "cut.tsv").write_text("s\th:m:s\n")
    (tmp_path / "other.tsv").write_bytes(b"\xff\xfe")
    assert read_benchmarks(tmp_path) == {"short": Benchmark(0.12), "train_A": Benchmark(485.96, 460.12, 1040.8)}
    assert read_benchmarks(tmp_path / "nowhere") == {}


def test_names_of_jobs():
    assert [stage_of(job) for job in ("train_A", "evaluate_B_no_rollouts_iter12", "collect", "convert_forward_A")] == [
        "train", "evaluate", "collect", "convert_forward",
    ]  # fmt: skip
    assert [iteration_of(job) for job in ("evaluate_B_iter12", "train_A")] == [12, 0]
