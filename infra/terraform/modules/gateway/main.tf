# All of one environment. What it is made of, and who may do what to whom; how each part is built is in the parts.

module "project" {
  source            = "../project"
  project_id        = var.project_id
  unaudited_readers = [for account in local.accounts : "serviceAccount:${account}"]
}

module "network" {
  source     = "../network"
  project_id = module.project.project_id
  region     = var.region
}

module "database" {
  source                       = "../database"
  project_id                   = module.project.project_id
  database                     = var.database.name
  configuration                = "regional-${var.region}"
  min_processing_units         = var.database.min_processing_units
  max_processing_units         = var.database.max_processing_units
  point_in_time_recovery_hours = var.database.point_in_time_recovery_hours
  backup_retention_days        = var.database.backup_retention_days
  is_protected                 = var.database.is_protected
}

module "counters" {
  source       = "../counters"
  project_id   = module.project.project_id
  region       = var.region
  network      = module.network.network
  memory_gb    = var.counters.memory_gb
  has_standby  = var.counters.has_standby
  is_encrypted = var.counters.is_encrypted

  depends_on = [module.network]
}

module "secrets" {
  source     = "../secrets"
  project_id = module.project.project_id
  region     = var.region
  names = setunion(
    ["secrets-key", "verify-api-key"],
    var.stripe ? ["stripe-key", "stripe-webhook"] : [],
    var.paypal == null ? [] : ["paypal-client-id", "paypal-client-secret", "paypal-webhook-id"],
    var.bank == null ? [] : ["bank-client-id", "bank-signing-key"],
  )
}

module "telemetry" {
  source     = "../telemetry"
  project_id = module.project.project_id
  region     = var.region
}

locals {
  # Known before the services are, so that nothing has to wait for them, and they for nothing.
  urls = { for name in keys(var.sizes) : name => "https://tollgate-${name}-${module.project.number}.${var.region}.run.app" }

  stripe_secrets = !var.stripe ? {} : {
    STRIPE_SECRET_KEY     = module.secrets.ids["stripe-key"]
    STRIPE_WEBHOOK_SECRET = module.secrets.ids["stripe-webhook"]
  }
  paypal_secrets = var.paypal == null ? {} : {
    PAYPAL_CLIENT_ID     = module.secrets.ids["paypal-client-id"]
    PAYPAL_CLIENT_SECRET = module.secrets.ids["paypal-client-secret"]
    PAYPAL_WEBHOOK_ID    = module.secrets.ids["paypal-webhook-id"]
  }
  bank_secrets = var.bank == null ? {} : {
    BANK_CLIENT_ID   = module.secrets.ids["bank-client-id"]
    BANK_SIGNING_KEY = module.secrets.ids["bank-signing-key"]
  }
  provider_secrets = merge(local.stripe_secrets, local.paypal_secrets, local.bank_secrets)
  provider_environment = merge(
    var.paypal == null ? {} : { PAYPAL_API_URL = var.paypal.api_url },
    var.bank == null ? {} : {
      BANK_API_URL          = var.bank.api_url
      BANK_SIGNING_KEY_ID   = var.bank.signing_key_id
      BANK_CREDITOR_ACCOUNT = var.bank.creditor_account
      BANK_CREDITOR_NAME    = var.bank.creditor_name
    },
    try(var.bank.settings, {}),
  )

  # What each function is. `calls_providers`: it has their keys. `admits`: it says itself who waits and who is refused; then Cloud Run sends it
  # all that it may (1000), because a refusal has to reach us to be answered at once, and adds an instance at a tenth of that: 100 under way
  # are 80 % of the calls that an instance makes to a provider. Elsewhere Cloud Run's line is the line. The figures are docs/capacity.md's.
  functions = {
    payments = {
      is_public       = true
      calls_providers = true
      admits          = true
      concurrency     = 1000
      timeout_seconds = 60
      callers         = []
      oidc_mode       = null
      publishes_to    = ["payment-events"]
    }
    provider-webhooks = {
      is_public       = true
      calls_providers = true
      admits          = true
      concurrency     = 1000
      timeout_seconds = 60
      callers         = ["push"]
      # Cloud Run lets everybody in here, so it checks no token: the function does.
      oidc_mode    = "verify"
      publishes_to = ["payment-events", "provider-events"]
    }
    webhook-delivery = {
      is_public       = false
      calls_providers = false
      admits          = false
      concurrency     = 250
      timeout_seconds = 180
      callers         = ["push", "schedule"]
      oidc_mode       = "cloud-run-iam"
      publishes_to    = ["payment-events", "dead-letter"]
    }
    settlement = {
      is_public       = false
      calls_providers = false
      admits          = false
      concurrency     = 10
      timeout_seconds = 1800
      callers         = var.has_settlement_shards ? ["push", "schedule"] : ["schedule"]
      oidc_mode       = "cloud-run-iam"
      publishes_to    = concat(["payment-events"], var.has_settlement_shards ? ["settlement-shards"] : [])
    }
    reconciliation = {
      is_public       = false
      calls_providers = true
      admits          = false
      concurrency     = 10
      timeout_seconds = 180
      callers         = ["schedule"]
      oidc_mode       = "cloud-run-iam"
      publishes_to    = ["payment-events"]
    }
  }
  # All that call providers share a provider's quota while Redis is away: with fewer it would be overshot.
  instances_at_most = sum([for name, function in local.functions : var.sizes[name].max_instances if function.calls_providers])

  accounts = merge(
    { for name, function in module.function : name => function.account },
  )
}

# Who calls: pushes and schedules, each as itself.
resource "google_service_account" "caller" {
  for_each     = toset(["push", "schedule"])
  project      = module.project.project_id
  account_id   = "tollgate-${each.value}"
  display_name = each.value == "push" ? "Tollgate: Pub/Sub's pushes" : "Tollgate: Cloud Scheduler's calls"
}

module "function" {
  source   = "../function"
  for_each = local.functions

  project_id = module.project.project_id
  region     = var.region
  name       = each.key
  image      = "${var.images.registry}/${each.key}:${var.images.tag}"
  is_public  = each.value.is_public
  invokers   = { for caller in each.value.callers : caller => google_service_account.caller[caller].member }

  environment = merge(
    {
      STORE_URL            = module.database.store_url
      QUEUE_URL            = "pubsub:projects/${var.project_id}/topics/payment-events"
      PUBLIC_URL           = module.edge.public_url
      GOOGLE_CLOUD_PROJECT = var.project_id
      COUNTERS_INSTANCES   = tostring(local.instances_at_most)
      # The load balancer and Cloud Run each add an entry; without the first there is one.
      TRUSTED_PROXIES = each.value.is_public ? "2" : "1"
    },
    # By its short name: it is in the same project.
    each.key == "settlement" && var.has_settlement_shards ? { QUEUE_SETTLEMENT_SHARDS_TOPIC = "settlement-shards" } : {},
    each.value.admits ? { ADMISSION_CONCURRENCY = tostring(var.admission_concurrency) } : {},
    each.value.oidc_mode == null ? {} : {
      OIDC_MODE             = each.value.oidc_mode
      OIDC_AUDIENCE         = local.urls[each.key]
      OIDC_SERVICE_ACCOUNTS = join(",", [for caller in each.value.callers : google_service_account.caller[caller].email])
    },
    each.value.calls_providers ? local.provider_environment : {},
    var.settings,
  )
  secret_environment = merge(
    {
      SECRETS_KEY  = module.secrets.ids["secrets-key"]
      COUNTERS_URL = module.counters.url_secret
    },
    each.value.calls_providers ? local.provider_secrets : {},
  )
  trusted_certificates_secret = module.counters.certificates_secret

  publishes_to     = { for topic in each.value.publishes_to : topic => local.topics[topic] }
  spanner_instance = module.database.instance
  spanner_database = module.database.database

  network      = module.network.network_name
  subnetwork   = module.network.subnetwork
  network_tags = [module.network.functions_tag]

  min_instances           = var.sizes[each.key].min_instances
  max_instances           = var.sizes[each.key].max_instances
  cpu                     = var.sizes[each.key].cpu
  memory                  = var.sizes[each.key].memory
  concurrency             = each.value.concurrency
  concurrency_utilization = each.value.admits ? 0.1 : 0.6
  timeout_seconds         = each.value.timeout_seconds

  telemetry           = module.telemetry.sidecars
  deployer            = var.deployer
  deletion_protection = var.deletion_protection
}

module "edge" {
  source                          = "../edge"
  project_id                      = module.project.project_id
  region                          = var.region
  host                            = var.host
  payments_service                = "tollgate-payments"
  provider_webhooks_service       = "tollgate-provider-webhooks"
  requests_per_minute_per_address = var.requests_per_minute_per_address
}

# The operator's command, where it runs by itself: before a release and after it.
module "migrate" {
  source      = "../command"
  project_id  = module.project.project_id
  region      = var.region
  name        = "migrate"
  image       = "${var.images.registry}/tollgate:${var.images.tag}"
  environment = { STORE_URL = module.database.store_url }
  # It changes tables, and nothing else does.
  database = { instance = module.database.instance, name = module.database.database, role = "roles/spanner.databaseAdmin" }
}

module "verify" {
  source             = "../command"
  project_id         = module.project.project_id
  region             = var.region
  name               = "verify"
  image              = "${var.images.registry}/tollgate:${var.images.tag}"
  arguments          = ["--url", local.urls["payments"], "--expect", var.verifier_expects]
  secret_environment = { VERIFY_API_KEY = module.secrets.ids["verify-api-key"] }
  network            = { network = module.network.network_name, subnetwork = module.network.subnetwork }
  timeout_seconds    = 300
}

# Cloud Deploy puts revisions here, and starts the verifier.
resource "google_project_iam_member" "deployer" {
  count   = var.deployer == null ? 0 : 1
  project = module.project.project_id
  role    = "roles/run.developer"
  member  = var.deployer.member
}
