# Redis itself, and not a cluster of Memorystore for Valkey: the client is no cluster's (it would be told MOVED), and logs in with a
# password, where Valkey wants a token of IAM's that is another every hour.
resource "google_redis_instance" "this" {
  project                 = var.project_id
  name                    = "tollgate"
  region                  = var.region
  tier                    = var.has_standby ? "STANDARD_HA" : "BASIC"
  memory_size_gb          = var.memory_gb
  redis_version           = "REDIS_7_2"
  authorized_network      = var.network
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  auth_enabled            = true
  transit_encryption_mode = var.is_encrypted ? "SERVER_AUTHENTICATION" : "DISABLED"

  redis_configs = {
    # Every key expires. So what makes way first are old payments, and no counter is refused.
    maxmemory-policy = "volatile-lru"
  }

  # No snapshots on disk: it holds what merchants are shown.
  persistence_config {
    persistence_mode = "DISABLED"
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = "TUESDAY"
      start_time {
        # 06:00 in Tokyo.
        hours   = 21
        minutes = 0
      }
    }
  }
}

locals {
  scheme = var.is_encrypted ? "rediss" : "redis"
  values = merge(
    { counters-url = "${local.scheme}://:${google_redis_instance.this.auth_string}@${google_redis_instance.this.host}:${google_redis_instance.this.port}" },
    # All that are valid: while Google replaces one by another there are two.
    var.is_encrypted ? { counters-ca = join("\n", google_redis_instance.this.server_ca_certs[*].cert) } : {},
  )
}

resource "google_secret_manager_secret" "this" {
  for_each  = toset(concat(["counters-url"], var.is_encrypted ? ["counters-ca"] : []))
  project   = var.project_id
  secret_id = "tollgate-${each.value}"
  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "this" {
  for_each = google_secret_manager_secret.this
  secret   = each.value.id
  # The password is in Terraform's state in any case, as an attribute of the instance: whoever reads the state reads it.
  secret_data = local.values[each.key]
}
