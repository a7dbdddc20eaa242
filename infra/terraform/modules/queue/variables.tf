variable "project_id" {
  description = "The project of the topic."
  type        = string
}

variable "project_number" {
  description = "The project's number: Pub/Sub's own account, which moves dead letters, is named by it."
  type        = string
  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "project_number is digits only; it is not the project's id."
  }
}

variable "region" {
  description = "The only region that messages are kept in."
  type        = string
}

variable "name" {
  description = "The topic's name; the subscription has the same."
  type        = string
}

variable "schema" {
  description = "The schema (Avro, as JSON) that messages must have; null: none."
  type        = string
  default     = null
}

variable "push" {
  description = "Where messages are pushed, with whose token; null: they are not pushed."
  type = object({
    endpoint            = string
    audience            = string
    account             = string
    min_backoff_seconds = optional(number, 10)
    max_backoff_seconds = optional(number, 600)
  })
  default = null
  validation {
    condition     = var.push == null ? true : startswith(var.push.endpoint, "https://")
    error_message = "A push goes to https."
  }
  validation {
    condition = var.push == null ? true : (
      var.push.min_backoff_seconds >= 0 && var.push.min_backoff_seconds < var.push.max_backoff_seconds && var.push.max_backoff_seconds <= 600
    )
    error_message = "The shortest pause is below the longest, and that is 600 s at most."
  }
}

variable "dead_letter_topic" {
  description = "The id of the topic that takes what was pushed too often. Must be set where `push` is."
  type        = string
  default     = null
  validation {
    condition     = var.push == null || var.dead_letter_topic != null
    error_message = "Every push subscription has a dead-letter topic: else a message that cannot be handled is pushed until Pub/Sub forgets it."
  }
}

variable "max_delivery_attempts" {
  description = "How often a message is pushed before it goes to the dead-letter topic."
  type        = number
  default     = 5
  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "Pub/Sub takes 5 to 100."
  }
}

variable "ack_deadline_seconds" {
  description = "How long a push may take."
  type        = number
  default     = 60
  validation {
    condition     = var.ack_deadline_seconds >= 10 && var.ack_deadline_seconds <= 600
    error_message = "Pub/Sub takes 10 to 600 seconds."
  }
}

variable "retention_days" {
  description = "How long a message waits that is not acknowledged."
  type        = number
  default     = 7
  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 31
    error_message = "Pub/Sub keeps messages for 31 days at most."
  }
}

variable "replay_days" {
  description = "How long the topic keeps every message, so that a subscription can be set back to a time; 0: it does not."
  type        = number
  default     = 0
  validation {
    condition     = var.replay_days >= 0 && var.replay_days <= 31
    error_message = "Pub/Sub keeps messages for 31 days at most."
  }
}
