# The two commands of the README, for those who have make.
.PHONY: run test check
run:
	sh .ci/quickstart
test:
	sh .ci/test
check:
	bash .ci/run
