locals {
  service = "tollgate-${var.name}"
  ingress = var.is_public ? "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER" : "INGRESS_TRAFFIC_INTERNAL_ONLY"

  # Files that come from Secret Manager, the only way that Cloud Run mounts a small file.
  collector_folder = "/etc/otelcol-google"
  metrics_folder   = "/etc/rungmp"
  trusted_folder   = "/etc/tollgate/trusted"

  environment = merge(
    var.environment,
    { OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318" },
    # Beside SSL_CERT_FILE, which the image sets: the clients read both.
    var.trusted_certificates_secret == null ? {} : { SSL_CERT_DIR = local.trusted_folder },
  )

  volumes = merge(
    {
      collector = { secret = var.telemetry.collector_config_secret, file = "config.yaml" }
      metrics   = { secret = var.telemetry.metrics_config_secret, file = "config.yaml" }
    },
    var.trusted_certificates_secret == null ? {} : {
      trusted = { secret = var.trusted_certificates_secret, file = "memorystore.pem" }
    },
  )

  function_mounts = var.trusted_certificates_secret == null ? {} : { trusted = local.trusted_folder }

  # The function asks nobody for /health/live: a store that is away takes no instance down. There is no readiness probe, for the
  # same reason: it would take all instances out at once, and with them what is answered from the cache and what is kept.
  probe = { path = "/health/live", period_seconds = 10, timeout_seconds = 5, failure_threshold = 3 }
  # It serves some 20 ms after its start; a first probe that came too early would cost a whole period.
  startup_delay_seconds  = 1
  liveness_delay_seconds = 10

  # Every secret that this function may read, and no other.
  secrets = merge(
    { for name, secret in var.secret_environment : name => secret },
    { for name, volume in local.volumes : "volume-${name}" => volume.secret },
  )
}

resource "google_service_account" "this" {
  project      = var.project_id
  account_id   = local.service
  display_name = "Tollgate: the function ${var.name}"
}

resource "google_cloud_run_v2_service" "this" {
  project             = var.project_id
  name                = local.service
  location            = var.region
  ingress             = local.ingress
  deletion_protection = var.deletion_protection

  template {
    service_account                  = google_service_account.this.email
    max_instance_request_concurrency = var.concurrency
    timeout                          = "${var.timeout_seconds}s"
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"

    scaling {
      min_instance_count      = var.min_instances
      max_instance_count      = var.max_instances
      concurrency_utilization = var.concurrency_utilization
      cpu_utilization         = var.cpu_utilization
    }

    vpc_access {
      # What is public is reached directly. What is private is Redis, and nothing else: see the network's firewall.
      egress = "PRIVATE_RANGES_ONLY"
      network_interfaces {
        network    = var.network
        subnetwork = var.subnetwork
        tags       = var.network_tags
      }
    }

    containers {
      name  = "function"
      image = var.image

      ports {
        container_port = 8080
      }

      resources {
        limits = { cpu = var.cpu, memory = var.memory }
        # What a request began may be ended after its answer, so the CPU must not be taken away then.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = var.secret_environment
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      dynamic "volume_mounts" {
        for_each = local.function_mounts
        content {
          name       = volume_mounts.key
          mount_path = volume_mounts.value
        }
      }

      startup_probe {
        initial_delay_seconds = local.startup_delay_seconds
        period_seconds        = local.probe.period_seconds
        timeout_seconds       = local.probe.timeout_seconds
        failure_threshold     = local.probe.failure_threshold
        http_get {
          path = local.probe.path
          port = 8080
        }
      }

      liveness_probe {
        initial_delay_seconds = local.liveness_delay_seconds
        period_seconds        = local.probe.period_seconds
        timeout_seconds       = local.probe.timeout_seconds
        failure_threshold     = local.probe.failure_threshold
        http_get {
          path = local.probe.path
          port = 8080
        }
      }
    }

    # Neither sidecar has a probe: payments go on without them.
    containers {
      name  = "metrics"
      image = var.telemetry.metrics_image
      resources {
        limits   = { cpu = "0.5", memory = "256Mi" }
        cpu_idle = false
      }
      volume_mounts {
        name       = "metrics"
        mount_path = local.metrics_folder
      }
    }

    containers {
      name  = "collector"
      image = var.telemetry.collector_image
      args  = ["--config=${local.collector_folder}/config.yaml"]
      resources {
        limits   = { cpu = "0.5", memory = "256Mi" }
        cpu_idle = false
      }
      volume_mounts {
        name       = "collector"
        mount_path = local.collector_folder
      }
    }

    dynamic "volumes" {
      for_each = local.volumes
      content {
        name = volumes.key
        secret {
          secret = volumes.value.secret
          items {
            version = "latest"
            path    = volumes.value.file
          }
        }
      }
    }
  }

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  lifecycle {
    # After the first revision Cloud Deploy owns what runs and who gets how much of it. What is said here reaches it by the
    # output `manifest`, with the next release: also a changed variable is rolled out by canary.
    ignore_changes = [template, traffic, client, client_version, annotations, labels]
  }

  depends_on = [
    google_secret_manager_secret_iam_member.reads,
    google_spanner_database_iam_member.uses,
    google_pubsub_topic_iam_member.publishes,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "anybody" {
  count    = var.is_public ? 1 : 0
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.this.name
  role     = "roles/run.invoker"
  member   = "allUsers"
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.is_public ? {} : var.invokers
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.this.name
  role     = "roles/run.invoker"
  member   = each.value
}

resource "google_secret_manager_secret_iam_member" "reads" {
  for_each  = local.secrets
  project   = var.project_id
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.this.member
}

resource "google_spanner_database_iam_member" "uses" {
  project  = var.project_id
  instance = var.spanner_instance
  database = var.spanner_database
  role     = "roles/spanner.databaseUser"
  member   = google_service_account.this.member
}

resource "google_pubsub_topic_iam_member" "publishes" {
  for_each = var.publishes_to
  project  = var.project_id
  topic    = each.value
  role     = "roles/pubsub.publisher"
  member   = google_service_account.this.member
}

resource "google_project_iam_member" "telemetry" {
  for_each = toset(["roles/monitoring.metricWriter", "roles/cloudtrace.agent"])
  project  = var.project_id
  role     = each.value
  member   = google_service_account.this.member
}

# Which functions Cloud Deploy may put revisions of: those whose accounts it may give them.
resource "google_service_account_iam_member" "deployer" {
  count              = var.deployer == null ? 0 : 1
  service_account_id = google_service_account.this.name
  role               = "roles/iam.serviceAccountUser"
  member             = var.deployer.member
}
