locals {
  job = "tollgate-${var.name}"
}

resource "google_service_account" "this" {
  project      = var.project_id
  account_id   = local.job
  display_name = "Tollgate: the operator's command ${var.name}"
}

resource "google_cloud_run_v2_job" "this" {
  project             = var.project_id
  name                = local.job
  location            = var.region
  deletion_protection = false

  template {
    task_count = 1
    template {
      service_account = google_service_account.this.email
      timeout         = "${var.timeout_seconds}s"
      # It failed for a reason; whoever started it looks.
      max_retries = 0

      containers {
        image = var.image
        args  = concat([var.name], var.arguments)

        dynamic "env" {
          for_each = var.environment
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
      }

      dynamic "vpc_access" {
        for_each = var.network == null ? [] : [var.network]
        content {
          egress = "ALL_TRAFFIC"
          network_interfaces {
            network    = vpc_access.value.network
            subnetwork = vpc_access.value.subnetwork
          }
        }
      }
    }
  }

  lifecycle {
    # scripts/deploy puts the image here that is to be released.
    ignore_changes = [template[0].template[0].containers[0].image, client, client_version]
  }

  depends_on = [google_secret_manager_secret_iam_member.reads, google_spanner_database_iam_member.uses]
}

resource "google_secret_manager_secret_iam_member" "reads" {
  for_each  = var.secret_environment
  project   = var.project_id
  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.this.member
}

resource "google_spanner_database_iam_member" "uses" {
  count    = var.database == null ? 0 : 1
  project  = var.project_id
  instance = var.database.instance
  database = var.database.name
  role     = var.database.role
  member   = google_service_account.this.member
}
