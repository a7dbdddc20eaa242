mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      member = "serviceAccount:tollgate-payments@tollgate-test.iam.gserviceaccount.com"
      email  = "tollgate-payments@tollgate-test.iam.gserviceaccount.com"
      name   = "projects/tollgate-test/serviceAccounts/tollgate-payments@tollgate-test.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id                  = "tollgate-test"
  region                      = "asia-northeast1"
  name                        = "payments"
  image                       = "asia-northeast1-docker.pkg.dev/tollgate-test/tollgate/payments:v1"
  environment                 = { STORE_URL = "spanner:projects/p/instances/i/databases/d" }
  secret_environment          = { SECRETS_KEY = "tollgate-secrets-key" }
  trusted_certificates_secret = "tollgate-counters-ca"
  publishes_to                = { payment-events = "projects/p/topics/payment-events" }
  invokers                    = { push = "serviceAccount:tollgate-push@tollgate-test.iam.gserviceaccount.com" }
  spanner_instance            = "tollgate"
  spanner_database            = "tollgate"
  network                     = "tollgate"
  subnetwork                  = "tollgate-functions"
  network_tags                = ["tollgate-functions"]
  min_instances               = 3
  concurrency_utilization     = 0.1
  deployer                    = { member = "serviceAccount:tollgate-deploy@tollgate-test.iam.gserviceaccount.com" }
  telemetry = {
    metrics_image           = "metrics:1"
    metrics_config_secret   = "tollgate-metrics-config"
    collector_image         = "collector:1"
    collector_config_secret = "tollgate-collector-config"
  }
}

run "as_it_comes" {
  command = apply

  # What is not public is called by its invokers from inside.
  assert {
    condition     = google_cloud_run_v2_service.this.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"
    error_message = "it can be reached from outside"
  }
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.anybody) == 0 && !output.is_public
    error_message = "anybody may call it"
  }
  assert {
    condition     = [for it in google_cloud_run_v2_service_iam_member.invoker : it.member] == ["serviceAccount:tollgate-push@tollgate-test.iam.gserviceaccount.com"]
    error_message = "it has other invokers than it was given"
  }

  # It runs as itself and may do little.
  assert {
    condition     = google_service_account.this.account_id == "tollgate-payments" && google_cloud_run_v2_service.this.template[0].service_account == google_service_account.this.email
    error_message = "it has no account of its own"
  }
  assert {
    condition     = google_spanner_database_iam_member.uses.role == "roles/spanner.databaseUser"
    error_message = "it may change tables"
  }
  assert {
    condition     = toset([for it in google_secret_manager_secret_iam_member.reads : it.secret_id]) == toset(["tollgate-secrets-key", "tollgate-counters-ca", "tollgate-metrics-config", "tollgate-collector-config"])
    error_message = "it may read other secrets than its own"
  }
  assert {
    condition     = toset([for it in google_project_iam_member.telemetry : it.role]) == toset(["roles/monitoring.metricWriter", "roles/cloudtrace.agent"])
    error_message = "it may do more in the project than write metrics and traces"
  }
  assert {
    condition     = alltrue([for it in google_pubsub_topic_iam_member.publishes : it.role == "roles/pubsub.publisher"]) && length(google_pubsub_topic_iam_member.publishes) == 1
    error_message = "it may do more with topics than publish to its own"
  }

  # Secrets come by reference.
  assert {
    condition = alltrue([for it in google_cloud_run_v2_service.this.template[0].containers[0].env :
      it.name != "SECRETS_KEY" || (try(it.value_source[0].secret_key_ref[0].secret, "") == "tollgate-secrets-key" && try(length(it.value), 0) == 0)
    ])
    error_message = "a secret's value is in the service"
  }

  # Probes ask only whether it lives and are bounded.
  assert {
    condition = alltrue([for probe in concat(google_cloud_run_v2_service.this.template[0].containers[0].startup_probe, google_cloud_run_v2_service.this.template[0].containers[0].liveness_probe) :
      probe.http_get[0].path == "/health/live" && probe.initial_delay_seconds <= 10 && probe.period_seconds == 10 && probe.timeout_seconds == 5 && probe.failure_threshold == 3
    ])
    error_message = "a probe asks for more, or waits longer: delay at most 10 s, period 10 s, timeout 5 s, 3 failures"
  }
  assert {
    condition     = length(google_cloud_run_v2_service.this.template[0].containers[0].startup_probe) == 1 && length(google_cloud_run_v2_service.this.template[0].containers[0].liveness_probe) == 1
    error_message = "a probe is missing"
  }
  assert {
    condition     = length(google_cloud_run_v2_service.this.template[0].containers[0].readiness_probe) == 0
    error_message = "a readiness probe takes every instance out when the store goes"
  }

  # It keeps its cpu and starts quickly.
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].containers[0].resources[0].cpu_idle == false && google_cloud_run_v2_service.this.template[0].containers[0].resources[0].startup_cpu_boost
    error_message = "what a request began needs CPU after its answer, and a start needs more of it"
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].scaling[0].max_instance_count == 50 && google_cloud_run_v2_service.this.template[0].scaling[0].min_instance_count == 3
    error_message = "other instances than were asked for"
  }
  assert {
    condition     = google_cloud_run_v2_service.this.template[0].vpc_access[0].egress == "PRIVATE_RANGES_ONLY" && google_cloud_run_v2_service.this.template[0].vpc_access[0].network_interfaces[0].subnetwork == "tollgate-functions"
    error_message = "it has no way into the network"
  }

  # Its sidecars send metrics and traces.
  assert {
    condition     = [for it in google_cloud_run_v2_service.this.template[0].containers : it.name] == ["function", "metrics", "collector"]
    error_message = "a sidecar is missing"
  }
  assert {
    condition     = output.environment.OTEL_EXPORTER_OTLP_ENDPOINT == "http://127.0.0.1:4318"
    error_message = "spans do not go to the collector beside it"
  }

  # Redis is trusted beside what the image trusts.
  assert {
    condition     = output.environment.SSL_CERT_DIR == google_cloud_run_v2_service.this.template[0].containers[0].volume_mounts[0].mount_path
    error_message = "the certificates are mounted elsewhere than they are looked for"
  }

  # The manifest says the same.
  # What Cloud Deploy puts here is what Terraform would.
  assert {
    condition = { for it in yamldecode(output.manifest).spec.template.spec.containers[0].env : it.name => try(it.value, it.valueFrom.secretKeyRef.name) } == {
      for it in google_cloud_run_v2_service.this.template[0].containers[0].env : it.name => try(length(it.value), 0) > 0 ? it.value : it.value_source[0].secret_key_ref[0].secret
    }
    error_message = "other variables"
  }
  assert {
    condition     = yamldecode(output.manifest).spec.template.spec.containerConcurrency == google_cloud_run_v2_service.this.template[0].max_instance_request_concurrency
    error_message = "another concurrency"
  }
  assert {
    condition     = "${yamldecode(output.manifest).spec.template.spec.timeoutSeconds}s" == google_cloud_run_v2_service.this.template[0].timeout
    error_message = "another timeout"
  }
  assert {
    condition     = yamldecode(output.manifest).spec.template.spec.serviceAccountName == google_cloud_run_v2_service.this.template[0].service_account
    error_message = "another account"
  }
  assert {
    condition     = yamldecode(output.manifest).spec.template.metadata.annotations["autoscaling.knative.dev/minScale"] == tostring(google_cloud_run_v2_service.this.template[0].scaling[0].min_instance_count) && yamldecode(output.manifest).spec.template.metadata.annotations["autoscaling.knative.dev/maxScale"] == tostring(google_cloud_run_v2_service.this.template[0].scaling[0].max_instance_count)
    error_message = "other instances"
  }
  assert {
    condition = [for it in ["concurrency", "cpu"] : yamldecode(output.manifest).spec.template.metadata.annotations["run.googleapis.com/scaling-${it}-target"]] == [
      for it in [google_cloud_run_v2_service.this.template[0].scaling[0].concurrency_utilization, google_cloud_run_v2_service.this.template[0].scaling[0].cpu_utilization] : tostring(it)
    ]
    error_message = "another instance is added at another load"
  }
  assert {
    condition     = yamldecode(output.manifest).spec.template.metadata.annotations["run.googleapis.com/cpu-throttling"] == "false"
    error_message = "its CPU is taken away"
  }
  assert {
    condition = [for it in yamldecode(output.manifest).spec.template.spec.containers : [it.name, it.resources.limits.cpu, it.resources.limits.memory, it.volumeMounts]] == [
      for it in google_cloud_run_v2_service.this.template[0].containers : [it.name, it.resources[0].limits.cpu, it.resources[0].limits.memory, [for mount in it.volume_mounts : { name = mount.name, mountPath = mount.mount_path }]]
    ]
    error_message = "other containers"
  }
  assert {
    condition = [for it in yamldecode(output.manifest).spec.template.spec.volumes : [it.name, it.secret.secretName, it.secret.items[0].path]] == [
      for it in google_cloud_run_v2_service.this.template[0].volumes : [it.name, it.secret[0].secret, it.secret[0].items[0].path]
    ]
    error_message = "other files"
  }
  assert {
    condition = [for name in ["startupProbe", "livenessProbe"] : yamldecode(output.manifest).spec.template.spec.containers[0][name]] == [
      for it in [google_cloud_run_v2_service.this.template[0].containers[0].startup_probe[0], google_cloud_run_v2_service.this.template[0].containers[0].liveness_probe[0]] : {
        httpGet             = { path = it.http_get[0].path, port = it.http_get[0].port }
        initialDelaySeconds = it.initial_delay_seconds
        periodSeconds       = it.period_seconds
        timeoutSeconds      = it.timeout_seconds
        failureThreshold    = it.failure_threshold
      }
    ]
    error_message = "other probes"
  }
  assert {
    condition     = yamldecode(output.manifest).spec.template.spec.containers[0].image == "tollgate-payments"
    error_message = "the release could not say which image it is"
  }
}

run "what_is_public_is_reached_through_the_load_balancer_only" {
  command = apply
  variables {
    is_public = true
  }
  assert {
    condition     = google_cloud_run_v2_service.this.ingress == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    error_message = "it can be reached past the load balancer"
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.anybody[0].member == "allUsers" && length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "a public function is anybody's"
  }
  assert {
    condition     = yamldecode(output.manifest).metadata.annotations["run.googleapis.com/ingress"] == "internal-and-cloud-load-balancing"
    error_message = "a release would open another way in"
  }
}

run "a_secret_among_plain_variables_is_refused" {
  command = plan
  variables {
    environment = { SECRETS_KEY = "c2VjcmV0" }
  }
  expect_failures = [var.environment]
}

run "everybody_is_no_invoker" {
  command = plan
  variables {
    invokers = { all = "allUsers" }
  }
  expect_failures = [var.invokers]
}

run "more_than_fifty_instances_are_refused" {
  command = plan
  variables {
    max_instances = 51
  }
  expect_failures = [var.max_instances]
}
