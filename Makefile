# Thin targets; the logic is Go, or the tools themselves. `make help` lists them.
STACK ?= dev

# What a pull request is compared with.
BASE ?= main

# Compiles the command line when a source was changed, then runs it.
KUBETRACING := ./kubetracing

.DEFAULT_GOAL := help
.PHONY: help up preview destroy kubeconfig env plan plans docs test lint race conformance control-plane pipeline engine e2e recovery faults bench clean
.PHONY: matrix outdated outdated-update outdated-conformance outdated-propose pr-plan pr-preview pr-comment

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Create or update the stack (STACK=dev), on a fresh machine too
	@$(KUBETRACING) up --stack $(STACK)

preview: ## Show what an update would change
	@$(KUBETRACING) preview --stack $(STACK)

destroy: ## Remove everything of the stack
	@$(KUBETRACING) destroy --stack $(STACK)

kubeconfig: ## Print the cluster's kubeconfig
	@$(KUBETRACING) pulumi --stack $(STACK) -- stack output kubeconfig --show-secrets --stack $(STACK)

env: ## Print what points kubectl at the cluster: eval "$(make --silent env)"
	@$(KUBETRACING) env --stack $(STACK)

plan: ## Print everything that the stack would create; needs only Go
	@$(KUBETRACING) plan --stack $(STACK)

plans: ## Rewrite the golden plans and rendered files after an intended change
	go test ./infra ./components/tracing -run 'ShippedStacks|Golden' -update

docs: ## Rewrite what docs say about settings, versions and recorded runs
	go test ./stacks ./test/internal/matrix -run Reference -update

# Modules beside the root one whose tests need only Go and little time.
LIGHT := infra/bench infra/pullrequest test/tools

test: lint ## Run the linters and every test that needs little time; needs only Go
	go test ./...
	@for module in $(LIGHT); do (set -x; cd $$module && go test ./...) || exit 1; done

lint: ## Check formatting, every module's code, the workflows and the scripts
	@cd test/tools && go run ./lint

# Sources of packages that start goroutines.
CONCURRENT = grep -rlE '\bgo func\b|\.Go\(func' --include='*.go' --exclude='*_test.go' --exclude-dir=bench --exclude-dir=pullrequest components infra stacks

race: ## Run tests of packages with goroutines under the race detector; needs a C compiler
	go test -race $$($(CONCURRENT) | xargs -n 1 dirname | sort -u | sed 's|^|./|')

conformance: ## Let every supported Kubernetes minor's own code read our files; needs only Go
	cd test/conformance && go test -v -timeout 60m ./...
	@cd test/tools && go run ./lint -upstream

control-plane: ## Run the newest minor's own etcd, kube-apiserver and containerd; needs only Go (MINORS=1.37,... or all)
	cd test/control-plane && MINORS=$(MINORS) go test -v -count=1 -timeout 120m ./...

pipeline: ## Kill Collector and Jaeger under load and count what is lost; needs only Go
	cd test/processes && go test -timeout 60m ./...
	cd test/pipeline && go test -v -timeout 60m ./...

engine: ## Let the real Pulumi engine decide what changes do, with fake providers; needs only Go
	cd test/engine && go test -timeout 60m .

e2e: ## Create, change and destroy a real stack; needs Docker and k3d
	@$(KUBETRACING) help > /dev/null
	go test -tags e2e -count=1 -timeout 30m -v -run 'TestLifecycle|TestChanges' ./test/e2e

recovery: ## Bring a real stack into every broken state and heal it; needs Docker and k3d
	@$(KUBETRACING) help > /dev/null
	go test -tags e2e -count=1 -timeout 60m -v -run 'TestRecovery|TestInterruptedUpdate|TestNodeThatDoesNotComeUp' ./test/e2e

faults: ## Break parts of a real stack under load and count what is lost; needs Docker and k3d
	@$(KUBETRACING) help > /dev/null
	cd test/faults && go test -count=1 -timeout 60m -v .

bench: ## Compare with the manual way, side by side; needs Docker and k3d
	@$(KUBETRACING) help > /dev/null
	cd infra/bench && go run . $(or $(BENCH),lifecycle)

matrix: ## Print every Kubernetes minor and runtime to try, as a CI's matrix
	@$(KUBETRACING) matrix

# Where the update leaves what outdated-propose makes a pull request of.
NEWER := .kubetracing/outdated
OUTDATED = go build -o .kubetracing/bin/outdated ./infra/outdated && .kubetracing/bin/outdated

outdated: ## Compare the pinned versions with what their publishers say; needs the network
	@$(OUTDATED)

outdated-update: ## Rewrite the pins of which something newer is published with its digests
	@mkdir -p $(NEWER)
	@$(OUTDATED) --write > $(NEWER)/report.txt
	@cat $(NEWER)/report.txt
	@$(MAKE) --no-print-directory plans docs
	@git diff > $(NEWER)/pins.patch

# A failure is a result: the pull request shows it.
outdated-conformance: ## Run the conformance suite with the pins that outdated-update left
	@[ ! -s $(NEWER)/pins.patch ] || { git apply $(NEWER)/pins.patch && { \
	  $(MAKE) --no-print-directory conformance > $(NEWER)/conformance.txt 2>&1 || echo "make conformance failed" >> $(NEWER)/conformance.txt; }; }

outdated-propose: ## Make a pull request of what the two above left; needs GITHUB_TOKEN
	@cd infra/pullrequest && go run . propose --folder ../../$(NEWER)

# Where the two below leave their results, for pr-comment.
REVIEW := .kubetracing/pull-request

pr-plan: ## Show what the checkout changes about BASE's offline plans (BASE=main); needs only Go
	@cd infra/pullrequest && go run . plans --base "$(BASE)" --folder ../../$(REVIEW)/plans

pr-preview: ## Show what it changes about BASE's running ci stack, which it creates, updates and destroys
	@cd infra/pullrequest && go run . preview --base "$(BASE)" --folder ../../$(REVIEW)/preview

# The shell, not make, expands what a stranger's pull request is named.
pr-comment: ## Write both into the pull request; needs GITHUB_TOKEN and HEAD_OWNER, HEAD_BRANCH, HEAD_COMMIT
	@cd infra/pullrequest && go run . comment --folder ../../$(REVIEW) \
	  --head-owner "$$HEAD_OWNER" --head-branch "$$HEAD_BRANCH" --head-commit "$$HEAD_COMMIT"

clean: ## Remove everything local: binaries, tools, Pulumi state of destroyed stacks
	@if find .kubetracing/state -path "*/stacks/*" -name "*.json*" ! -name "*.bak*" ! -name "*.attrs" 2> /dev/null | grep -q .; then \
	  echo "a stack still exists: run make destroy first"; exit 1; fi
	rm -rf .kubetracing
